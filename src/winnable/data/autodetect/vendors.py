"""Names of columns in CRM exports by vendor: Salesforce, HubSpot, Dynamics 365, Zoho, Odoo,
Pipedrive, Bitrix24, Freshsales, SugarCRM and SuiteCRM, Close, and Creatio.

Taken from the vendors' field references, labels and internal names alike, each without blanks,
capitals and punctuation (`bare`), together with names that other CRMs commonly use. What a column
contains is looked at in `infer`, not here.
"""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

from winnable.data.ingestion.event_columns import WRAPPER


@dataclass(frozen=True)
class Vendor:
    """One vendor's kind of export, recognized if all columns of any one of `marks` exist; names
    are in order of preference.

    `known` are further columns of it: the vendor that covers the most columns is preferred. `won`
    and `lost` are the vendor's default statuses, `codes` the numbers that mean them in columns of
    its API. `late` are columns that are filled in or changed while a lead is worked, so that models
    must not use their final value.
    """

    name: str
    marks: tuple[frozenset[str], ...]
    status: tuple[str, ...]
    won: tuple[str, ...]
    lost: tuple[str, ...]
    roles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    late: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    codes: dict[str, dict[str, Literal["won", "lost"]]] = field(default_factory=dict)

    def covers(self, columns: Collection[str]) -> int:
        """How many of these bare column names it knows; 0 where none of its marks is complete."""
        if not any(mark <= set(columns) for mark in self.marks):
            return 0
        own = {
            *self.status,
            *self.late,
            *self.known,
            *(name for names in self.roles.values() for name in names),
        }
        return len({*columns} & (own | frozenset().union(*self.marks)))


def bare(name: str) -> str:
    """A column's name without blanks, capitals, accents and punctuation, and without the note that
    Dynamics 365 puts before its keys and the "property_" that loaders put before HubSpot's."""
    plain = unicodedata.normalize("NFKD", WRAPPER.sub("", name).casefold())
    return re.sub(r"[\W_]", "", plain).removeprefix("donotmodify")


def recognize_vendor(columns: Collection[str]) -> Vendor | None:
    """The vendor whose export has these columns; None if they look like none of them."""
    plain = {bare(column) for column in columns}
    best = max(VENDORS, key=lambda vendor: vendor.covers(plain))
    return best if best.covers(plain) >= 4 else None


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _in_order(words: str) -> tuple[str, ...]:
    return tuple(words.split())


def _marks(*words: str) -> tuple[frozenset[str], ...]:
    return tuple(_names(mark) for mark in words)


SALESFORCE_LEADS = Vendor(
    "Salesforce leads",
    _marks(
        "leadstatus leadowner createdate",
        "leadstatus createddate",
        "leadstatus companyaccount",
        "isconverted leadsource",
    ),
    status=("leadstatus", "status"),
    won=("Closed - Converted",),
    lost=("Closed - Not Converted",),
    roles={
        "id": ("leadid", "id"),
        "person": ("email",),
        "created": ("createddate", "createdate"),
        "closed": ("converteddate",),
        "source": ("leadsource",),
        "consent": ("hasoptedoutofemail", "emailoptout"),
    },
    late=_names(
        "lastmodifieddate lastmodified lastmodifiedbyid lastactivity lastactivitydate"
        " lastvieweddate lastreferenceddate systemmodstamp unreadbyowner isunreadbyowner rating"
        " convertedaccountid convertedcontactid convertedopportunityid convertedaccount"
        " convertedcontact convertedopportunity opportunityname opportunityamount emailbounceddate"
        " emailbouncedreason firstcalldatetime firstemaildatetime isconverted converted leadowner"
        " ownerid daysopen age"
    ),
    known=_names(
        "firstname lastname name company companyaccount title phone mobilephone mobile fax street"
        " city state stateprovince postalcode zippostalcode country industry annualrevenue"
        " numberofemployees noofemployees employees website salutation description donotcall"
        " leadowner leadsource"
    ),
)
"""Lead reports ("Lead Status", "Company / Account", "Create Date") and the Lead object of the API
and of Data Loader."""

SALESFORCE_OPPORTUNITIES = Vendor(
    "Salesforce opportunities",
    _marks(
        "opportunityname stage closedate", "stagename closedate", "opportunityid stage closedate"
    ),
    status=("stagename", "stage"),
    won=("Closed Won",),
    lost=("Closed Lost",),
    roles={
        "id": ("opportunityid", "id"),
        "person": ("contactid", "email"),
        "created": ("createddate", "createdate"),
        "closed": ("closedate",),
        "source": ("leadsource",),
    },
    late=_names(
        "probability forecastcategory forecastcategoryname expectedrevenue isclosed iswon closed"
        " won nextstep age agedays stageduration lastmodifieddate lastmodified lastmodifiedbyid"
        " lastactivity lastactivitydate lastvieweddate lastreferenceddate laststagechangedate"
        " laststagechangeindays lastactivityindays fiscalperiod fiscalquarter fiscalyear fiscal"
        " hasopenactivity hasoverduetask systemmodstamp amount pushcount lossreason"
    ),
    known=_names(
        "opportunityname accountname accountid type opportunityowner ownerrole ownerid campaignid"
        " name description"
    ),
)
"""Opportunity reports ("Opportunity Name", "Stage", "Probability (%)") and the Opportunity object
of the API."""

HUBSPOT_CONTACTS = Vendor(
    "HubSpot contacts",
    _marks("lifecyclestage"),
    status=("lifecyclestage",),
    won=("Customer", "Evangelist"),
    lost=(),
    roles={
        "id": ("recordid", "hsobjectid", "contactid", "vid", "recordidcontact"),
        "person": ("email",),
        "created": ("createdate", "becamealeaddate"),
        "closed": ("becameacustomerdate", "hslifecyclestagecustomerdate", "closedate"),
        "source": (
            "originalsource",
            "originaltrafficsource",
            "hsanalyticssource",
            "latestsource",
            "latesttrafficsource",
        ),
    },
    late=_names(
        "leadstatus hsleadstatus lastmodifieddate lastactivitydate notelastcontacted lastcontacted"
        " hslastsalesactivitytimestamp becameamarketingqualifiedleaddate"
        " becameasalesqualifiedleaddate becameanopportunitydate becameacustomerdate closedate"
        " becameanevangelistdate numberofassociateddeals associateddeals recentdealamount"
        " recentdealclosedate totalrevenue firstdealcreateddate daystoclose hubspotscore"
        " hsanalyticsnumpageviews numberofpageviews numberofsessions timelastseen likelihoodtoclose"
        " contactpriority numberofsalesactivities nextactivitydate contactowner hubspotownerid"
        " latestsource latesttrafficsource lastpageseen numberoftimescontacted associatednote"
        " associateddealids"
    ),
    known=_names(
        "firstname lastname jobtitle phone phonenumber mobilephonenumber companyname"
        " associatedcompany city stateregion countryregion postalcode websiteurl industry"
        " numberofemployees annualrevenue createdate originalsource leadstatus"
    ),
)
"""Contact exports ("Record ID", "Lifecycle Stage", "Create Date") and contact properties by their
internal names."""

HUBSPOT_DEALS = Vendor(
    "HubSpot deals",
    _marks("dealstage"),
    status=("dealstage",),
    won=("Closed Won", "closedwon"),
    lost=("Closed Lost", "closedlost"),
    roles={
        "id": ("recordid", "hsobjectid", "dealid"),
        "person": ("associatedcontactids", "associatedcontact"),
        "created": ("createdate", "hscreatedate"),
        "closed": ("closedate",),
        "source": (
            "originalsource",
            "originaltrafficsource",
            "originalsourcetype",
            "hsanalyticssource",
            "dealsource",
        ),
    },
    late=_names(
        "amount amountincompanycurrency forecastamount forecastcategory forecastprobability"
        " dealprobability hsdealstageprobability closedlostreason closedwonreason hsisclosedwon"
        " isclosedwon hsisclosed isdealclosed isclosedlost lastmodifieddate lastactivitydate"
        " lastcontacted daystoclose nextstep nextactivitydate numberofsalesactivities"
        " numberoftimescontacted closedamount hsclosedamount weightedamount annualcontractvalue"
        " totalcontractvalue latestsource latesttrafficsource dealowner hubspotownerid dealscore"
    ),
    known=_names(
        "dealname pipeline dealtype dealowner priority createdate closedate amount"
        " associatedcompany recordid"
    ),
)
"""Deal exports ("Record ID", "Deal Stage", "Close Date") and deal properties by their internal
names."""

DYNAMICS_LEADS = Vendor(
    "Dynamics 365 leads",
    _marks(
        "lead createdon",
        "leadid statecode",
        "leadid statuscode",
        "topic createdon leadsource",
        "statusreason leadsource",
    ),
    status=("status", "statecode", "statusreason", "statuscode"),
    codes={"statecode": {"1": "won", "2": "lost"}},
    won=("Qualified",),
    lost=("Disqualified", "Lost", "Cannot Contact", "No Longer Interested", "Canceled"),
    roles={
        "id": ("lead", "leadid"),
        "person": ("email", "emailaddress1"),
        "created": ("createdon",),
        "closed": ("qualifiedon", "closedon"),
        "source": ("leadsource", "leadsourcecode"),
        "consent": ("donotallowemails", "donotemail", "donotbulkemail", "donotallowbulkemails"),
    },
    late=_names(
        "modifiedon rowchecksum modifiedby statusreason statuscode statecode rating leadqualitycode"
        " leadscore leadgrade lastactivitydate lastonholdtime salesstage salesstagecode"
        " qualifyingopportunityid qualificationcomments owner ownerid initialcommunication"
        " evaluatefit estimatedvalue estvalue estclosedate estimatedclosedate processstage"
        " pipelinephase"
    ),
    known=_names(
        "firstname lastname fullname name topic subject companyname jobtitle businessphone"
        " telephone1 mobilephone industrycode industry numberofemployees noofemployees revenue"
        " annualrevenue address1city address1country city country createdon purchasetimeframe"
        " budgetamount decisionmaker need purchaseprocess websiteurl"
    ),
)
"""Excel exports of the Lead table ("(Do Not Modify) Lead", "Status Reason", "Created On") and its
columns by logical name."""

DYNAMICS_OPPORTUNITIES = Vendor(
    "Dynamics 365 opportunities",
    _marks(
        "opportunity createdon",
        "opportunityid statecode",
        "opportunityid statuscode",
        "potentialcustomer status createdon",
    ),
    status=("status", "statecode", "statusreason", "statuscode"),
    codes={"statecode": {"1": "won", "2": "lost"}},
    won=("Won",),
    lost=("Lost", "Canceled", "Out-Sold"),
    roles={
        "id": ("opportunity", "opportunityid"),
        "person": ("contact", "parentcontactid", "emailaddress"),
        "created": ("createdon",),
        "closed": ("actualclosedate",),
        "source": ("leadsource", "campaignid", "sourcecampaign"),
    },
    late=_names(
        "modifiedon rowchecksum modifiedby statusreason statuscode statecode rating"
        " opportunityratingcode probability closeprobability actualrevenue actualvalue estrevenue"
        " estimatedvalue estclosedate estimatedclosedate salesstage stepname pipelinephase"
        " forecastcategory msdynforecastcategory lastonholdtime opportunityscore opportunitygrade"
        " owner ownerid totalamount finaldecisiondate presentproposal developproposal"
        " completefinalproposal sendthankyounote"
    ),
    known=_names(
        "topic name potentialcustomer customerid account parentaccountid originatinglead createdon"
        " currency budgetamount need"
    ),
)
"""Excel exports of the Opportunity table ("Actual Close Date", "Est. Revenue", "Status") and its
columns by logical name."""

ZOHO_LEADS = Vendor(
    "Zoho leads",
    _marks("leadstatus createdtime", "leadstatus recordid leadowner", "leadstatus modifiedtime"),
    status=("leadstatus", "isconverted", "converted", "leadconverted"),
    won=("Converted",),
    lost=("Junk Lead", "Lost Lead", "Not Qualified"),
    roles={
        "id": ("recordid", "leadid", "id"),
        "person": ("email",),
        "created": ("createdtime",),
        "closed": ("converteddatetime", "convertedtime", "leadconversiontime"),
        "source": ("leadsource",),
        "consent": ("emailoptout",),
    },
    late=_names(
        "modifiedtime modifiedby lastactivitytime rating leadowner leadownerid leadconversiontime"
        " isconverted converted convertedaccount convertedcontact converteddeal score positivescore"
        " negativescore touchpointscore unsubscribedmode unsubscribedtime averagetimespentminutes"
        " numberofchats daysvisited visitorscore mostrecentvisit tag"
    ),
    known=_names(
        "company firstname lastname title phone mobile fax industry noofemployees annualrevenue"
        " website street city state zipcode country description salutation secondaryemail skypeid"
        " twitter createdby leadsource createdtime"
    ),
)
"""Exports of the Leads module ("Record Id", "Lead Status", "Created Time") and its API names."""

ZOHO_DEALS = Vendor(
    "Zoho deals",
    _marks("dealname stage createdtime", "dealname stage closingdate"),
    status=("stage",),
    won=("Closed Won",),
    lost=("Closed Lost", "Closed Lost to Competition", "Closed-Lost to Competition"),
    roles={
        "id": ("recordid", "dealid", "id"),
        "person": ("contactname", "contactnameid"),
        "created": ("createdtime",),
        "closed": ("closingdate",),
        "source": ("leadsource", "campaignsource"),
    },
    late=_names(
        "modifiedtime modifiedby lastactivitytime probability expectedrevenue amount nextstep"
        " reasonforloss reasonforlosss salescycleduration overallsalesduration leadconversiontime"
        " forecastcategory dealowner stagemodifiedtime tag score"
    ),
    known=_names(
        "dealname accountname contactname type closingdate leadsource createdby createdtime"
        " description campaignsource"
    ),
)
"""Exports of the Deals module ("Deal Name", "Stage", "Closing Date") and its API names."""

ODOO_LEADS = Vendor(
    "Odoo leads",
    _marks(
        "stageid createdate",
        "stage salesteam",
        "stage createdon salesperson",
        "stage expectedclosing",
        "stageid emailfrom",
    ),
    status=("wonstatus", "iswon", "stage", "stageid"),
    won=("Won", "won"),
    lost=("Lost", "lost"),
    roles={
        "id": ("id", "externalid"),
        "person": ("email", "emailfrom", "emailnormalized"),
        "created": ("createdon", "createdate"),
        "closed": ("closeddate", "dateclosed"),
        "source": ("source", "sourceid", "medium", "mediumid", "campaign", "campaignid"),
    },
    late=_names(
        "probability automatedprobability proratedrevenue expectedrevenue expectedmrr proratedmrr"
        " lostreason lostreasonid active expectedclosing datedeadline dayclose dayopen daystoclose"
        " daystoassign assignmentdate dateopen lastaction dateactionlast laststageupdate"
        " datelaststageupdate lastupdatedon writedate conversiondate dateconversion priority tags"
        " tagids kanbanstate salesperson userid nextactivitydeadline activitystate emailquality"
        " phonequality iswon wonstatus"
    ),
    known=_names(
        "opportunity name contactname companyname partnername customer partnerid phone mobile"
        " jobposition function website city zip country countryid state stateid street salesteam"
        " teamid type company language campaign medium createdon"
    ),
)
"""Exports of crm.lead, leads and opportunities in one ("Opportunity", "Stage", "Created on"), by
label or technical name."""

PIPEDRIVE_DEALS = Vendor(
    "Pipedrive deals",
    _marks(
        "dealid dealstatus",
        "dealtitle dealstatus",
        "dealdealcreated",
        "wontime losttime addtime",
        "title stage status dealcreated",
    ),
    status=("dealstatus", "status"),
    won=("Won", "won"),
    lost=("Lost", "lost", "Deleted", "deleted"),
    roles={
        "id": ("dealid", "id"),
        "person": ("personemailwork", "personemail", "contactpersonemail", "dealcontactperson"),
        "created": ("dealdealcreated", "dealcreated", "addtime"),
        "closed": ("dealdealclosedon", "dealclosedon", "closetime", "dealwontime", "wontime"),
        "source": (
            "dealleadsource",
            "leadsource",
            "dealsource",
            "dealsourcechannel",
            "sourcechannel",
            "sourceorigin",
            "channel",
            "origin",
        ),
        "owner": ("dealowner", "owner", "ownername"),
        "account": ("dealorganization", "organization", "orgname", "organizationname"),
        "amount": ("dealvalue", "value"),
    },
    late=_names(
        "dealupdatetime updatetime dealwontime wontime deallosttime losttime deallostreason"
        " lostreason dealprobability probability dealweightedvalue weightedvalue"
        " dealexpectedclosedate expectedclosedate deallaststagechange laststagechange"
        " stagechangetime deallastactivitydate lastactivitydate dealnextactivitydate"
        " nextactivitydate dealtotalactivities totalactivities dealdoneactivities doneactivities"
        " dealactivitiestodo activitiestodo dealemailmessagescount emailmessagescount"
        " deallastemailreceived deallastemailsent dealstage stage"
    ),
    known=_names(
        "dealpipeline pipeline dealcurrency currency dealtitle title dealcreator deallabel label"
        " personname personphone organizationaddress dealvisibleto"
    ),
)
"""Deal exports ("Deal - ID", "Deal - Deal created", "Person - Email - Work") and the API's
names."""

BITRIX24 = Vendor(
    "Bitrix24",
    _marks(
        "stage pipeline created responsible",
        "stageid datecreate categoryid",
        "statusid datecreate",
        "status source responsibleperson",
        "dealstage responsible created",
    ),
    status=("stage", "dealstage", "stageid", "status", "statusid", "stagesemanticid"),
    won=("Deal won", "WON", "CONVERTED", "Converted", "Good lead", "S"),
    lost=("Deal lost", "LOSE", "JUNK", "Junk lead", "Analyze failure", "APOLOGY", "F"),
    roles={
        "id": ("id",),
        "person": ("workemail", "contactworkemail", "email", "contactid", "contact"),
        "created": ("created", "createdon", "datecreate"),
        "closed": ("dateclosed", "completedon"),
        "source": ("source", "sourceid"),
        "owner": ("responsible", "responsibleperson", "assignedbyid"),
        "account": ("company", "companyid", "companytitle"),
        "amount": ("income", "total", "opportunity"),
    },
    late=_names(
        "modified modifiedon datemodify modifiedby modifybyid movedtime movedby probability"
        " closed closedate expectedclosedate lastactivitytime stagesemanticid statussemanticid"
        " statusinformation stagechangedate"
    ),
    known=_names(
        "pipeline categoryid dealname leadname title currency currencyid begindate startdate"
        " comments observers repeatdeal isreturncustomer utmsource utmmedium utmcampaign"
    ),
)
"""Exports of deals and leads ("Stage", "Responsible", "Created") and the REST names."""

FRESHSALES = Vendor(
    "Freshsales",
    _marks(
        "dealstage salesowner",
        "leadstage salesowner",
        "dealstage closeddate createdat",
        "lifecyclestage salesowner",
        "dealstagename salesaccountname",
    ),
    status=("dealstage", "dealstagename", "leadstage", "lifecyclestage", "status", "leadstatus"),
    won=("Won", "Closed Won", "Customer"),
    lost=("Lost", "Closed Lost", "Unqualified", "Not qualified"),
    roles={
        "id": ("dealid", "leadid", "contactid", "id"),
        "person": ("email", "emails", "contactemail", "primarycontact"),
        "created": ("createdat",),
        "closed": ("closeddate", "closedat", "dealcloseddate"),
        "source": ("source", "leadsource", "dealsource", "leadsourcename", "firstsource"),
        "owner": ("salesowner", "owner", "salesownername"),
        "account": ("account", "accountname", "salesaccountname", "company"),
        "amount": ("amount", "dealvalue"),
    },
    late=_names(
        "updatedat lastcontactedtime lastcontactedmode lastassignedat dealscore leadscore"
        " contactscore stageupdatedtime dealstageupdatedat expectedclose expectedclosedate"
        " probability lostreason deallostreason dealprediction rottendays age recentnote"
        " activesalessequences lastactivitydate lastseen closeddate forecastcategory"
    ),
    known=_names(
        "dealname dealtype dealpipeline pipeline product territory currency campaign jobtitle"
        " medium keyword paymentstatus"
    ),
)
"""Exports of deals, leads and contacts ("Deal stage", "Sales owner", "Created at")."""

SUGAR = Vendor(
    "SugarCRM",
    _marks(
        "salesstage dateentered",
        "salesstage datecreated",
        "status dateentered",
        "opportunityname salesstage expectedclosedate",
        "status datecreated leadsource",
    ),
    status=("salesstage", "salesstatus", "status", "converted"),
    won=("Closed Won", "Converted"),
    lost=("Closed Lost", "Dead", "Recycled"),
    roles={
        "id": ("id",),
        "person": ("emailaddress", "email", "email1", "emailaddress1"),
        "created": ("dateentered", "datecreated"),
        "closed": ("dateclosed", "closedate"),
        "source": ("leadsource",),
        "owner": ("assignedusername", "assigneduser", "assignedto", "assigneduserid"),
        "account": ("accountname",),
        "amount": ("amount", "opportunityamount", "likely"),
        "consent": ("emailoptout",),
    },
    late=_names(
        "datemodified modifieduserid modifiedbyname modifiedby probability nextstep bestcase"
        " worstcase best worst commitstage salesstatus statusdescription converted contactid"
        " opportunityid accountid opportunityamount expectedclosedate refersby lastactivitydate"
    ),
    known=_names(
        "opportunityname name leadsourcedescription type opportunitytype campaign campaignid"
        " description createdby createdbyname deleted teams assigneduserid donotcall department"
        " title primaryaddresscity primaryaddresscountry amountusdollar currencyid"
    ),
)
"""Exports of leads and opportunities of SugarCRM and SuiteCRM ("Sales Stage", "Date Entered")."""

CLOSE = Vendor(
    "Close",
    _marks(
        "statuslabel statustype datecreated",
        "statuslabel datecreated leadname",
        "status statustype datewon",
        "displayname statuslabel",
        "leadstatuslabel datecreated leadid",
    ),
    status=("statustype", "statuslabel", "opportunitystatus", "leadstatuslabel", "status"),
    won=("won", "Won", "Customer"),
    lost=("lost", "Lost", "Bad Fit", "Not Interested", "Canceled"),
    roles={
        "id": ("opportunityid", "id", "contactid", "leadid"),
        "person": (
            "primarycontactprimaryemail",
            "primarycontactemail",
            "contactemail",
            "primaryemail",
        ),
        "created": ("datecreated", "created"),
        "closed": ("dateclosed", "datewon", "closedate"),
        "source": ("source", "leadsource", "customsource"),
        "owner": ("username", "userassigned", "leadowner", "customleadowner"),
        "account": ("leadname", "displayname", "leadid"),
        "amount": ("value", "annualizedvalue"),
    },
    late=_names(
        "dateupdated updatedby updatedbyname confidence datelost expectedvalue statusid"
        " lastactivitydate lastcalldate lastemaildate numopportunities numcalls numemails"
        " firstcommunicationdate lastcommunicationdate integrationlinks"
    ),
    known=_names(
        "note contactname valueperiod valuecurrency valueformatted createdby createdbyname"
        " pipelinename leadname leadid userid contactid url description"
    ),
)
"""Exports of leads and opportunities ("status_label", "date_created", "lead_name")."""

CREATIO = Vendor(
    "Creatio",
    _marks(
        "qualifystatus createdon",
        "leadstage createdon customerneed",
        "customerneed leadstage",
        "qualificationstatus createdon",
        "stage opportunityamount createdon closingdate",
    ),
    status=("qualifystatus", "leadstage", "qualificationstatus", "stage"),
    won=("Satisfied", "Closed won", "Transferred to sale"),
    lost=("Disqualified", "Not interested", "Closed lost", "Closed rerouted"),
    roles={
        "id": ("id", "number"),
        "person": ("email", "contact", "qualifiedcontact"),
        "created": ("createdon", "registrationdate"),
        "closed": ("closingdate", "actualcloseddate", "closedon", "duedate"),
        "source": ("leadsource", "channel", "leadchannel", "leadmedium", "source"),
        "owner": ("owner", "salesowner"),
        "account": ("account", "customer", "qualifiedaccount"),
        "amount": ("budget", "opportunityamount", "amount"),
    },
    late=_names(
        "modifiedon modifiedby disqualifyreason leaddisqualifyreason probability"
        " nextactualizationdate predictivescore score closereason qualificationpassed salesstage"
        " opportunity order forecastcategory"
    ),
    known=_names(
        "leadname customerneed leadtype leadtypestatus registermethod industry country jobtitle"
        " businessphone mobilephone createdby needtype decisiondate employeesnumber annualrevenue"
    ),
)
"""Exports of the sections Leads and Opportunities ("Lead stage", "Customer need", "Created on")."""

VENDORS = (
    SALESFORCE_LEADS,
    SALESFORCE_OPPORTUNITIES,
    HUBSPOT_CONTACTS,
    HUBSPOT_DEALS,
    DYNAMICS_LEADS,
    DYNAMICS_OPPORTUNITIES,
    ZOHO_LEADS,
    ZOHO_DEALS,
    ODOO_LEADS,
    PIPEDRIVE_DEALS,
    BITRIX24,
    FRESHSALES,
    SUGAR,
    CLOSE,
    CREATIO,
)

ROLES: dict[str, tuple[str, ...]] = {
    "id": _in_order(
        "leadid prospectid opportunityid dealid recordid mqlid contactid customerid caseid"
        " externalid id leadnumber leadno leadnr leadnummer number key"
    ),
    "person": _in_order(
        "email emailaddress emailaddress1 emailfrom workemail businessemail primaryemail mail"
        " personid"
    ),
    "created": _in_order(
        "created createddate createdate createdat createdon createdtime creationdate datecreated"
        " dateadded leaddate inquirydate enquirydate entrydate submittedat signupdate"
        " firstcontactdate firstcontact engagedate receivedon addtime dateentered erstelltam"
        " erstellungsdatum angelegtam datedecreation datecreation creele fechadecreacion"
        " datadecriacao criadoem datacreazione datadicreazione creatoil aanmaakdatum aangemaaktop"
    ),
    "closed": _in_order(
        "closed closedate closeddate closedat closedon dateclosed actualclosedate closingdate"
        " closetime converteddate convertedat wondate wontime conversiondate becameacustomerdate"
        " abschlussdatum geschlossenam datedefermeture datedecloture fechadecierre"
        " datadefechamento datadeconclusao datachiusura datadichiusura sluitingsdatum"
        " afgeslotenop"
    ),
    "source": _in_order(
        "leadsource source originalsource originaltrafficsource leadorigin origin leadsourcecode"
        " sourceid channel marketingchannel utmsource acquisitionchannel campaign medium quelle"
        " leadquelle herkunft origine fuente origen origem fonte bron herkomst"
    ),
    "owner": _in_order(
        "owner leadowner dealowner opportunityowner contactowner ownername ownerid assignedto"
        " salesowner salesrep salesperson salesagent responsible responsibleperson"
    ),
    "account": _in_order(
        "accountid companyid organizationid company companyname account accountname companyaccount"
        " organization organizationname firma unternehmen website companywebsite companydomain"
        " companydomainname websiteurl webseite"
    ),
    "amount": _in_order("amount dealvalue dealamount opportunityamount value expectedrevenue"),
    "consent": _in_order(
        "marketingconsent consent optin emailoptin consentgiven gdprconsent permission"
        " marketingpermission emailconsent emailoptout hasoptedoutofemail donotemail"
        " donotallowemails optout donotcontact unsubscribed einwilligung"
    ),
}
"""Names of the columns of each role in other CRMs, the most specific first."""

STATUS = _in_order(
    "status leadstatus stage stagename dealstage opportunitystage salesstage lifecyclestage"
    " wonstatus statecode statuscode statusreason dealstatus opportunitystatus statustype"
    " statuslabel state outcome result phase leadphase dealphase statut etape estado etapa fase"
    " situacao stato stadio stadium ergebnis resultat resultado resultaat risultato esito wynik"
    " lifecyclephase lebenszyklusphase phaseducycledevie etapadelciclodevida стадия статус этап"
    " результат фаза"
)
"""Names of a column with the status of a lead."""

OUTCOMES = _in_order(
    "converted isconverted hasconverted won iswon closedwon isclosedwon hsisclosedwon conversion"
    " conversionflag outcome result y target label success deal sale sold purchased bought"
    " subscribed customer iscustomer becamecustomer"
)
"""Names of a column that holds yes or no, or 1 or 0, for whether a lead was won."""

WON_DATES = _in_order(
    "wondate wontime wonat wonon becameacustomerdate datewon closedwondate conversiondate"
    " converteddate"
)
"""Names of a date that only won leads have."""
